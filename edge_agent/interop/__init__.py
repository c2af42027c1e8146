"""Cases for other systems: a FHIR document, a PDF; nothing leaves that is not asked for and allowed."""
