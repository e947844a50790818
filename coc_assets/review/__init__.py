"""Human review: labels drawn, shown in the browser with all that bears on them, and decided on by people.

A sample of the judged labels (`sampling`) is laid before a reviewer (`desk`, `app`): what the tables say of a label
(`payload`), its pictures (`pictures`). A decision is a line in the store the moment it is made; an edit becomes a label
of its own (`edits`). How far people agree with each other and with the instruments is told by `agreement`.
"""

PORT = 3001
"""Where `coc review` listens unless told otherwise."""
