"""What types of object storages share. It stands apart, for the modules beside this package are all
imported to find the types, and obstore takes time and memory that only those who use it shall pay.
"""
