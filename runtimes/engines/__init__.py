"""One module for each inference library, behind one interface."""
