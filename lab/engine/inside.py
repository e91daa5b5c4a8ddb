"""x"""
def main(argv): print('inside',argv); return 0
