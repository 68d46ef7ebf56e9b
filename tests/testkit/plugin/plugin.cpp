// The plugin that the testkit's own tests load.
#include "probe.hpp"
#include "probe_backends.hpp"
#include "probe_guest.hpp"
#include "probe_handover.hpp"
#include "probe_loop.hpp"
#include "probe_memory.hpp"
#include "probe_net.hpp"
#include "probe_pci.hpp"
#include "probe_processor.hpp"
#include "probe_registers.hpp"
#include "probe_rogue.hpp"
#include "probe_screen.hpp"
#include "probe_state.hpp"

PLUGBAY_PLUGIN("testkit-probe", "1.0.0", Probe, ProbePci, ProbeBridge, ProbeEcho, ProbeDisk, ProbeNic,
               ProbeScreen, ProbeRogue, ProbeMsr, ProbeCpuid, ProbeHypercall, ProbeRegion, ProbeWatch,
               ProbeWorker, ProbeEvents, ProbeGuest, ProbeFirmware, ProbeOptional, ProbeRenamed,
               ProbeConverted, ProbeHandover, ProbeRegisters, ProbeOwnAccess)
