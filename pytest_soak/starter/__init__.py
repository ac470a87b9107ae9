"""The files with which a soak of an own service begins, made of a sample of its reports."""
