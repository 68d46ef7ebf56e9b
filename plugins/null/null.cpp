// The backends that do nothing: for a frontend that needs a peer, and to measure what frontends cost alone.
#include "char_null.hpp"
#include "console_null.hpp"
#include "disk_null.hpp"
#include "net_null.hpp"

#include <plugbay/plugin.hpp>

PLUGBAY_PLUGIN("null", "1.0.0", CharNull, DiskNull, NetNull, ConsoleNull)
