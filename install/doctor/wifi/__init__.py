"""Why pods are slow, or do not reach each other, on a node that is on WiFi.

`gathering` and `measuring` look; `facts` is what they bring; `air`, `settings`, `wsl`, `reach` and
`blame` judge, and are pure; `checks` has all of them.
"""
