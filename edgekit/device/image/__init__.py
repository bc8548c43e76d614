"""Images that know their colours, and conversions between them."""
