// The one header that a plugin's test includes.
#pragma once

#include <plugbay/testkit/bench.hpp>
#include <plugbay/testkit/blk_peer.hpp>
#include <plugbay/testkit/char_peer.hpp>
#include <plugbay/testkit/console_peer.hpp>
#include <plugbay/testkit/net_peer.hpp>
#include <plugbay/testkit/plugin_file.hpp>
#include <plugbay/testkit/state_edit.hpp>
