"""From what is owed to letters ready for the wire."""
