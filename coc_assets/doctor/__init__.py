"""`coc doctor`: checks of a set-up, from the installed packages to the servers of the models in use."""
