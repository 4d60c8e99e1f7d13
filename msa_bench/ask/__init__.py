"""Questions about a user's own documents: the files are read and encoded once, and answers name what they rest on."""
