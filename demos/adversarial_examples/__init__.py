"""Images that fool a classifier, and defences against them."""
