// What is only found when the machine is put together: status 1, the cause, and what to do.
#include "cli_test.hpp"

#include <chrono>
#include <csignal>
#include <optional>

namespace plugbay::end_to_end {
namespace {

using std::chrono::seconds;

const std::string disk_devices = exit_device + R"(,
    { "type": "pci-host", "id": "pci" },
    { "type": "virtio-blk", "id": "vda" },
    { "type": "disk-file", "id": "disk", "path": "disk.img", "frontend": { "id": "vda" } })";

TEST_F(MachineErrors, GoodMachineRuns) {
    folder_.write("disk.img", std::string(4096, 'd'));
    const Outcome outcome = plugbay({"run", machine(disk_devices)});
    EXPECT_EQ(outcome.status, 7) << outcome.text();
    EXPECT_EQ(outcome.errors, "");
}

TEST_F(MachineErrors, KernelIsMissing) {
    const Outcome outcome =
        plugbay({"run", machine(exit_device), "--set", "boot.kernel=" + folder_.path("nothing")});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.errors,
              "error: cannot open kernel " + folder_.path("nothing") +
                  ": No such file or directory (check the path and that the file may be read by "
                  "this user)\n");
}

TEST_F(MachineErrors, KernelIsAFolder) {
    const Outcome outcome =
        plugbay({"run", machine(exit_device), "--set", "boot.kernel=" + folder_.path("")});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.errors,
                AllOf(HasSubstr("kernel " + folder_.path("")),
                      HasSubstr("is a directory, not a regular file (give the path of a file)")));
}

TEST_F(MachineErrors, KernelIsEmpty) {
    const std::string kernel = folder_.write("empty", "");
    const Outcome outcome = plugbay({"run", machine(exit_device), "--set", "boot.kernel=" + kernel});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.errors, "error: kernel " + kernel + " is empty (fetch or build the file again)\n");
}

TEST_F(MachineErrors, KernelIsOfNoKnownKind) {
    const Outcome outcome = plugbay({"run", machine(exit_device), "--set", "boot.protocol=automatic"});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(lines_of(outcome.errors), 1) << outcome.errors;
    EXPECT_THAT(outcome.errors, AllOf(HasSubstr(folder_.path("image")), HasSubstr("flat")));
}

TEST_F(MachineErrors, DiskIsMissing) {
    const std::string file = machine(disk_devices);
    const Outcome outcome = plugbay({"run", file});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(lines_of(outcome.errors), 1) << outcome.errors;
    EXPECT_THAT(outcome.errors,
                AllOf(HasSubstr(file + ":6:5: device \"disk\" (disk-file)"),
                      HasSubstr("disk image " + folder_.path("disk.img") + " does not exist"),
                      HasSubstr("correct \"path\", or make it"), HasSubstr("truncate -s 10G")));
}

TEST_F(MachineErrors, DiskIsAFolder) {
    const Outcome outcome =
        plugbay({"run", machine(disk_devices), "--set", "devices.disk.path=" + folder_.path(".")});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.errors, AllOf(HasSubstr("device \"disk\" (disk-file)"),
                                      HasSubstr("is a directory: name a file or a block device")));
}

TEST_F(MachineErrors, DiskIsInUse) {
    folder_.write("disk.img", std::string(4096, 'd'));
    const std::string file = machine(disk_devices + R"(,
    { "type": "serial-16550", "id": "com1" },
    { "type": "char-stdio", "id": "terminal", "frontend": { "id": "com1" } })");
    // mov $0x3f8, %dx; mov $'!', %al; out %al, %dx; hlt; jmp to the hlt
    const std::string waiting = folder_.write("waiting", "\xba\xf8\x03\xb0\x21\xee\xf4\xeb\xfd");
    Child first(plugbay_command({"run", file, "--set", "boot.kernel=" + waiting}));
    ASSERT_TRUE(first.wait_for_output("!", seconds(20))) << first.finish(seconds(1)).text();

    const Outcome second = plugbay({"run", file});
    EXPECT_EQ(second.status, 1);
    EXPECT_THAT(second.errors,
                AllOf(HasSubstr("device \"disk\" (disk-file)"), HasSubstr(folder_.path("disk.img")),
                      HasSubstr("is in use by another disk or machine"), HasSubstr("\"read_only\"")));
    first.send_signal(SIGTERM);
    EXPECT_EQ(first.finish(seconds(20)).status, 128 + SIGTERM);
    const Outcome third = plugbay({"run", file});
    EXPECT_EQ(third.status, 7) << "the lock has to end with its machine\n" << third.text();
}

TEST_F(MachineErrors, PortsOverlap) {
    const std::string file = machine(R"(    { "type": "serial-16550", "id": "com1" },
    { "type": "debugcon", "id": "debug", "port": "0x3fa" })");
    const Outcome outcome = plugbay({"run", file});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(lines_of(outcome.errors), 1) << outcome.errors;
    EXPECT_THAT(outcome.errors,
                AllOf(HasSubstr(file + ":4:5: device \"debug\" (debugcon)"), HasSubstr("0x3fa"),
                      HasSubstr("overlap 0x3f8-0x3ff of device \"com1\""), HasSubstr("move one")));
}

TEST_F(MachineErrors, InterruptLinesOverlap) {
    const std::string file = machine(R"(    { "type": "serial-16550", "id": "com1" },
    { "type": "serial-16550", "id": "com2", "port": "0x2f8", "irq": 4 })");
    const Outcome outcome = plugbay({"run", file});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(lines_of(outcome.errors), 1) << outcome.errors;
    EXPECT_THAT(outcome.errors, AllOf(HasSubstr(file + ":4:5: device \"com2\""),
                                      HasSubstr("interrupt line 4 is taken by device \"com1\""),
                                      HasSubstr("choose another line")));
}

TEST_F(MachineErrors, WhatKvmAnswersIsNobodys) {
    const std::string file =
        machine(R"(    { "type": "generic", "id": "pit", "first": "0x40", "length": 4 })");
    const Outcome ports = plugbay({"run", file});
    EXPECT_EQ(ports.status, 1);
    EXPECT_EQ(lines_of(ports.errors), 1) << ports.errors;
    EXPECT_THAT(ports.errors, AllOf(HasSubstr(file + ":3:5: device \"pit\""),
                                    HasSubstr("ports 0x40-0x43 overlap the machine's own interval timer")));
    const Outcome line = plugbay({"run", machine(R"({ "type": "serial-16550", "id": "com1", "irq": 0 })")});
    EXPECT_EQ(line.status, 1);
    EXPECT_THAT(line.errors, HasSubstr("interrupt line 0 is that of the machine's own interval timer"));
}

TEST_F(MachineErrors, PciDeviceWithoutABus) {
    const Outcome outcome = plugbay({"run", machine(R"(    { "type": "virtio-rng", "id": "rng" })")});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.errors, AllOf(HasSubstr("device \"rng\" needs a PCI bus"),
                                      HasSubstr("add a device of type pci-host")));
}

TEST_F(MachineErrors, MemoryIsNotToBeHad) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "this sanitizer needs the address space that this test takes away";
#endif
    const std::string file = machine(exit_device);
    const Outcome outcome = run(
        {"sh", "-c", "ulimit -v 20000000; exec \"$0\" run \"$1\" --set memory=64G", plugbay_binary(), file});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.errors, AllOf(HasSubstr("guest memory"), HasSubstr("Cannot allocate memory"),
                                      HasSubstr("choose a smaller \"memory\"")));
}

TEST_F(MachineErrors, KvmMayNotBeOpened) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
    const std::string file = machine(exit_device);
    std::filesystem::permissions(folder_.path(""), std::filesystem::perms(0755));
    const std::vector<std::string> as_nobody = {"setpriv", "--reuid", "65534",
                                                "--regid", "65534",   "--clear-groups"};
    const auto with = [&](std::vector<std::string> rest) {
        rest.insert(rest.begin(), as_nobody.begin(), as_nobody.end());
        return run(rest);
    };
    if (with({"test", "-r", file, "-a", "-x", plugbay_binary()}).status != 0)
        GTEST_SKIP() << "no setpriv, or another user cannot reach the files";
    if (with({"test", "-w", "/dev/kvm"}).status == 0) GTEST_SKIP() << "/dev/kvm is open to everybody";
    const Outcome outcome = with({plugbay_binary(), "run", file});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(lines_of(outcome.errors), 1) << outcome.errors;
    EXPECT_THAT(outcome.errors, AllOf(HasSubstr("cannot open /dev/kvm: Permission denied"),
                                      HasSubstr("it belongs to user "), HasSubstr("group")));
}

// With `mount` done in a mount namespace of its own; none where this user may not.
std::optional<Outcome> run_unshared(const std::string& mount, const std::string& file) {
    const std::vector<std::string> command = {"unshare", "-m", "sh", "-c"};
    const auto with = [&](std::vector<std::string> rest) {
        rest.insert(rest.begin(), command.begin(), command.end());
        return run(rest);
    };
    if (with({mount}).status != 0) return std::nullopt;
    return with({mount + " && exec \"$0\" run \"$1\"", plugbay_binary(), file});
}

TEST_F(CommandLine, RunsNowhereWithoutKvm) {
    const auto outcome = run_unshared("mount -t tmpfs none /dev", machine(exit_device));
    if (!outcome) GTEST_SKIP() << "this user cannot hide /dev/kvm";
    EXPECT_EQ(outcome->status, 1) << outcome->text();
    EXPECT_EQ(lines_of(outcome->errors), 1) << outcome->errors;
    EXPECT_THAT(outcome->errors, AllOf(HasSubstr("cannot open /dev/kvm: No such file or directory"),
                                       HasSubstr("modprobe kvm_intel"), HasSubstr("nested virtualization")));
}

TEST_F(MachineErrors, KvmIsSomethingElse) {
    const auto outcome = run_unshared("mount --bind /dev/null /dev/kvm", machine(exit_device));
    if (!outcome) GTEST_SKIP() << "this user cannot mount over /dev/kvm";
    EXPECT_EQ(outcome->status, 1) << outcome->text();
    EXPECT_THAT(outcome->errors, HasSubstr("/dev/kvm is not a KVM device"));
}

} // namespace
} // namespace plugbay::end_to_end
