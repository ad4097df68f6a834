"""What is wrong with a store of records, or worth a look before its figures are believed."""
