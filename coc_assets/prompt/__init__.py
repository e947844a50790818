"""The interactive side of `coc sql`: statements, completion, the session and its terminal."""
