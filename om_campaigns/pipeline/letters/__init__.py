"""From what is owed to letters ready for the wire: which texts, for whom, with which head and which files."""
