#include <made_up.h>
