"""Rules as data: facts of a case, three-valued expressions over them, danger signs and urgency. Needs no bundle."""
