"""Parts of JSON documents in statements: their values, conditions on them, and changes of them."""
