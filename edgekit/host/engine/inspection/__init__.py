"""Files of strangers, read and tried in a child with limits: a model may be made to hang, or to fill the memory.

    messages.py   what the child is asked, and what it replies: small, and read by the schema reader
    child.py      the child: reads, prepares, proves and runs a model, describes a file, checks a device's engine
    asking.py     starts it, and turns each way in which it may end into an answer or a sentence
    models.py     a model for a build: inspected once, found by its content from then on

Whoever works with a model afterwards takes what this room gives: it is known to end, in the memory that there is.
"""
