// The check itself, in whatever process: what it throws becomes a verdict.
#include "core/validate/check_process.hpp"

#include <plugbay/testkit/error.hpp>

#include <exception>

namespace plugbay::core::validation {

namespace {

void fail(CheckResult& result, const std::string& why, const std::string& hint) {
    result.verdict = Verdict::failed;
    result.why = why;
    result.hint = hint;
}

} // namespace

CheckResult check_here(const CheckRequest& request) {
    CheckResult result;
    result.check = request.check;
    result.type = request.trial.type;
    Trial trial = request.trial;
    trial.step = [&, tell = request.trial.step](const std::string& text) {
        result.step = text;
        if (tell) tell(text);
    };
    trial.warning = [&, tell = request.trial.warning](const std::string& text) {
        result.warnings.push_back(text);
        if (tell) tell(text);
    };
    try {
        request.check->run(trial);
        result.verdict = result.warnings.empty() ? Verdict::passed : Verdict::warned;
    } catch (const CheckSkipped& skipped) {
        result.lacks_peer = dynamic_cast<const PeerLacking*>(&skipped) != nullptr;
        result.verdict = Verdict::skipped;
        result.why = skipped.what();
    } catch (const CheckFailed& failed) {
        fail(result, failed.what(), request.check->advice);
    } catch (const testkit::ContractViolation& violation) {
        fail(result, std::string("it broke a rule of the ABI: ") + violation.what(),
             "the headers in plugbay/abi say at each function what is allowed");
    } catch (const testkit::Error& error) {
        fail(result, error.what(), request.check->advice);
    } catch (const std::exception& exception) {
        fail(result, std::string("an exception came out of it: ") + exception.what(),
             "no exception may leave a plugin: catch it and return a status with a text");
    } catch (...) {
        fail(result, "an exception came out of it",
             "no exception may leave a plugin: catch it and return a status with a text");
    }
    return result;
}

} // namespace plugbay::core::validation
