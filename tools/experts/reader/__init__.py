"""The readers of words: any picture, documents, the signs of the drawn world; and the order in which one reads."""
