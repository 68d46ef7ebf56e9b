// For builds without liburing.
#include "engine.hpp"

std::unique_ptr<Engine> make_uring_engine(int, std::string& why) {
    why = "this plugin was built without liburing";
    return nullptr;
}
