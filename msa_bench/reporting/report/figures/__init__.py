"""The figures of a report; each module makes one kind of them from cells."""
