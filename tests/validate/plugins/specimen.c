/* A complete device in plain C that keeps all rules, and, with FAULT, breaks one: CMakeLists.txt builds one shared object for
 * each fault, and validate_test.cpp tells by which check it is to be found.
 *
 *   offset 0   the value of the register that offset 4 selects; 16 of them
 *   offset 4   selects a register
 *   offset 5   write: 1 arms the timer, whose end raises the line and the status; 0 stops it
 *   offset 6   the status; write: lowers the line
 *   offset 8   4 bytes: a guest address; a write counts the byte there */
#include <plugbay/abi/access.h>
#include <plugbay/abi/interrupt.h>
#include <plugbay/abi/memory.h>
#include <plugbay/abi/plugin.h>
#include <plugbay/abi/state.h>
#include <plugbay/abi/statistics.h>
#include <plugbay/abi/timer.h>

#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum fault {
    none,
    refuse_defaults,
    narrow_create,
    crash_on_number,
    refuse_in_silence,
    crash_on_text,
    crash_on_access,
    wide_register,
    slow_access,
    wait_on_access,
    endless_access,
    exit_on_access,
    crash_in_second_reset,
    count_quiesces,
    crash_after_quiesces,
    pend_for_ever,
    quiesced_twice,
    keep_region,
    destroy_twice,
    static_register,
    forget_register,
    extra_field,
    forget_selection,
    change_on_refusal,
    trust_index,
    trust_length,
    trust_old_state,
    change_on_save,
    forget_reset,
    count_back,
    count_from_seven,
    move_in_start,
    leave_thread,
    leave_descriptor,
    leave_memory,
    take_signal,
    block_signal,
    change_locale,
    call_from_thread,
    touch_while_quiesced,
    stale_handle,
    trust_memory,
    changing_table,
    small_table,
    answer_everything,
    bad_licence,
    crash_late,
};
#ifndef FAULT
#define FAULT none
#endif
#define IS(fault) (FAULT == (fault))

struct specimen {
    const struct plugbay_host* host;
    const struct plugbay_access_host* access;
    const struct plugbay_interrupt_host* interrupt;
    const struct plugbay_timer_host* timer;
    const struct plugbay_memory_host* memory;
    plugbay_handle region, line, deadline;
    uint64_t period;
    uint64_t due; /* guest time; 0: not armed */
    uint32_t registers[16];
    uint8_t selected;
    uint8_t status;
    uint8_t counted;
    uint64_t accesses;
    unsigned quiesces;
    unsigned resets;
    pthread_t thread;
};

static uint32_t shared[16];

static uint32_t* registers_of(struct specimen* self) {
    return IS(static_register) ? shared : self->registers;
}

static uint8_t selected(struct specimen* self) {
    return IS(wide_register) || IS(trust_index) ? self->selected : self->selected & 15;
}

static void set_line(struct specimen* self) {
    self->interrupt->set(self->host, self->line, self->status != 0);
}

static void arm(struct specimen* self) {
    if (self->due != 0)
        self->timer->arm(self->host, self->deadline, self->due, 0);
    else
        self->timer->disarm(self->host, self->deadline);
}

/* --- accesses --- */

static void work(unsigned nanoseconds) {
    struct timespec begin, now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    do
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    while ((now.tv_sec - begin.tv_sec) * 1000000000L + now.tv_nsec - begin.tv_nsec < (long)nanoseconds);
}

static uint64_t low(uint64_t value, uint32_t width) {
    return width >= 8 ? value : value & ((UINT64_C(1) << 8 * width) - 1);
}

static uint64_t read_register(void* instance, uint64_t token, uint64_t offset, uint32_t width) {
    struct specimen* self = instance;
    (void)token;
    ++self->accesses;
    if (IS(crash_on_access) && offset == 7) abort();
    if (IS(exit_on_access) && offset == 7) _exit(0);
    if (IS(endless_access) && offset == 7)
        for (;;)
            work(1000000);
    if (IS(slow_access)) work(200000);
    switch (offset) {
    case 0:
        return low(registers_of(self)[selected(self)], width);
    case 4:
        return low(self->selected, width);
    case 6:
        return low(self->status, width);
    case 12:
        return low(self->counted, width);
    default:
        return 0;
    }
}

static void write_register(void* instance, uint64_t token, uint64_t offset, uint32_t width, uint64_t value) {
    struct specimen* self = instance;
    (void)token;
    ++self->accesses;
    if (IS(crash_late) && self->accesses == 1200) abort();
    switch (offset) {
    case 0:
        registers_of(self)[selected(self)] = (uint32_t)value;
        break;
    case 4:
        if (IS(wait_on_access)) usleep(2000);
        self->selected = IS(wide_register) ? (uint8_t)value : (uint8_t)(value & 15);
        if (IS(wide_register) && self->selected == 0xee) abort();
        break;
    case 5:
        self->due = (value & 1) != 0 ? self->timer->now(self->host, PLUGBAY_CLOCK_GUEST) + self->period : 0;
        arm(self);
        break;
    case 6:
        self->status = 0;
        set_line(self);
        break;
    case 8: {
        uint8_t byte = 0;
        if (self->memory->read(self->host, low(value, width), &byte, 1) == PLUGBAY_OK) self->counted = byte;
        if (IS(trust_memory) && self->counted >= 0x80) abort();
        break;
    }
    default:
        break;
    }
}

static const struct plugbay_access_callbacks access_callbacks = {
    .size = IS(small_table) ? 8 : sizeof(struct plugbay_access_callbacks),
    .read = read_register,
    .write = write_register,
};
static const struct plugbay_access_callbacks other_access_callbacks = {
    .size = sizeof(struct plugbay_access_callbacks),
    .read = read_register,
    .write = write_register,
};

static void expired(void* instance, uint64_t token) {
    struct specimen* self = instance;
    (void)token;
    self->due = 0;
    self->status = 1;
    set_line(self);
}

static const struct plugbay_timer_callbacks timer_callbacks = {
    .size = sizeof(struct plugbay_timer_callbacks),
    .expired = expired,
};

/* --- state --- */

static plugbay_status save(void* instance, const struct plugbay_state_writer* writer) {
    struct specimen* self = instance;
    plugbay_status status = PLUGBAY_OK;
    const uint64_t count = IS(forget_register) ? 15 : 16;
    if (IS(change_on_save)) ++registers_of(self)[3];
    status |= writer->put(writer, "registers", PLUGBAY_FIELD_U32, registers_of(self), count, 0);
    if (!IS(forget_selection))
        status |= writer->put(writer, "selected", PLUGBAY_FIELD_U8, &self->selected, 1, 0);
    status |= writer->put(writer, "status", PLUGBAY_FIELD_U8, &self->status, 1, 0);
    status |= writer->put(writer, "counted", PLUGBAY_FIELD_U8, &self->counted, 1, 0);
    status |= writer->put(writer, "due", PLUGBAY_FIELD_U64, &self->due, 1, 0);
    if (IS(extra_field)) status |= writer->put(writer, "extra", PLUGBAY_FIELD_U8, &self->counted, 1, 0);
    if (status != PLUGBAY_OK) self->host->set_error(self->host, "a field cannot be saved");
    return status;
}

static plugbay_status load(void* instance, const struct plugbay_state_reader* reader) {
    struct specimen* self = instance;
    uint32_t registers[17] = {0};
    uint8_t number = 0, raised = 0, counted = 0;
    uint64_t due = 0;
    plugbay_status status = PLUGBAY_OK;
    uint64_t count = IS(forget_register) ? 15 : 16;
    if (IS(trust_length)) {
        count = reader->count(reader, "registers");
        uint32_t* room = malloc(64);
        if (count > 16) abort(); /* what a longer field would do, for certain */
        free(room);
    }
    if (IS(change_on_refusal)) self->selected ^= 1;
    status |= reader->get(reader, "registers", PLUGBAY_FIELD_U32, registers, count);
    if (!IS(forget_selection)) status |= reader->get(reader, "selected", PLUGBAY_FIELD_U8, &number, 1);
    status |= reader->get(reader, "status", PLUGBAY_FIELD_U8, &raised, 1);
    status |= reader->get(reader, "counted", PLUGBAY_FIELD_U8, &counted, 1);
    status |= reader->get(reader, "due", PLUGBAY_FIELD_U64, &due, 1);
    if (IS(trust_old_state) && reader->version == 1 && status == PLUGBAY_OK) abort();
    if (status == PLUGBAY_OK && number > 15 && !IS(trust_index)) status = PLUGBAY_INVALID;
    if (status == PLUGBAY_OK && IS(trust_index) && number > 15) abort();
    if (status != PLUGBAY_OK) {
        if (!IS(refuse_in_silence))
            self->host->set_error(self->host, "a field of the state is missing or wrong");
        return PLUGBAY_INVALID;
    }
    if (IS(change_on_refusal)) self->selected ^= 1;
    memcpy(registers_of(self), registers, sizeof self->registers);
    self->selected = number;
    self->status = raised;
    self->counted = counted;
    self->due = due;
    set_line(self);
    arm(self);
    return PLUGBAY_OK;
}

static const struct plugbay_state_callbacks state_callbacks = {
    .size = sizeof(struct plugbay_state_callbacks),
    .save = save,
    .load = load,
};

static void read_statistics(void* instance, const struct plugbay_statistics_writer* writer) {
    struct specimen* self = instance;
    uint64_t accesses = self->accesses;
    if (IS(count_from_seven)) accesses += 7;
    writer->put(writer, "accesses", PLUGBAY_STATISTIC_COUNT, accesses);
}

static const struct plugbay_statistics_callbacks statistics_callbacks = {
    .size = sizeof(struct plugbay_statistics_callbacks),
    .read = read_statistics,
};

/* --- life --- */

static void* claim_a_line(void* instance) {
    struct specimen* self = instance;
    plugbay_handle line = PLUGBAY_NO_HANDLE;
    self->interrupt->claim(self->host, 3, 0, &line);
    return NULL;
}

static void* sleep_on(void* instance) {
    const struct timespec day = {86400, 0};
    nanosleep(&day, NULL);
    return instance;
}

static plugbay_status refuse(const struct plugbay_host* host, const char* why) {
    host->set_error(host, why);
    return PLUGBAY_FAILED;
}

static void release(struct specimen* self) {
    self->timer->destroy(self->host, self->deadline);
    if (self->line != PLUGBAY_NO_HANDLE) self->interrupt->release(self->host, self->line);
    if (!IS(keep_region)) self->access->unmap(self->host, self->region);
    if (IS(stale_handle)) self->access->unmap(self->host, self->region);
    if (!IS(leave_memory)) free(self);
}

static plugbay_status create(const struct plugbay_host* host, const struct plugbay_value* values,
                             uint32_t value_count, void** instance) {
    (void)value_count;
    if (IS(refuse_defaults) && (values[0].flags & PLUGBAY_VALUE_GIVEN) == 0)
        return refuse(host, "no port was given");
    if (IS(narrow_create) && values[1].number > 1000) return refuse(host, "more than a second is too long");
    if (IS(crash_on_number) && values[1].number % 3 == 2) abort();
    if (IS(crash_on_text) && values[2].text_length > 8) abort();
    if (strchr(values[2].text, '\n') != NULL) return refuse(host, "a label is one line");
    struct specimen* self = calloc(1, sizeof *self);
    if (self == NULL) return refuse(host, "there is no memory for it");
    self->host = host;
    self->access = host->extension(host, PLUGBAY_ACCESS);
    self->interrupt = host->extension(host, PLUGBAY_INTERRUPT);
    self->timer = host->extension(host, PLUGBAY_TIMER);
    self->memory = host->extension(host, PLUGBAY_MEMORY);
    self->period = values[1].number * 1000000;
    if (self->access == NULL || self->interrupt == NULL || self->timer == NULL || self->memory == NULL) {
        free(self);
        return refuse(host, "the host lacks an extension that it needs");
    }
    plugbay_status status = self->access->map_ports(host, (uint32_t)values[0].number, 16, 0, &self->region);
    if (status == PLUGBAY_OK) status = self->interrupt->claim(host, 10, 0, &self->line);
    if (status == PLUGBAY_OK) status = self->timer->create(host, PLUGBAY_CLOCK_GUEST, 0, &self->deadline);
    if (status != PLUGBAY_OK) {
        free(self); /* the host takes back what it has, and has set the text */
        return status;
    }
    if (IS(leave_descriptor)) (void)!open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (IS(leave_thread)) pthread_create(&self->thread, NULL, sleep_on, NULL);
    if (IS(take_signal)) signal(SIGCHLD, SIG_IGN);
    if (IS(block_signal)) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        pthread_sigmask(SIG_BLOCK, &set, NULL);
    }
    if (IS(change_locale)) setlocale(LC_ALL, "C.UTF-8");
    *instance = self;
    return PLUGBAY_OK;
}

static void destroy(void* instance) {
    struct specimen* self = instance;
    if (IS(destroy_twice)) {
        struct specimen* volatile same = self; /* or the compiler would find it first */
        free(same);
    }
    release(self);
}

static plugbay_status start(void* instance) {
    struct specimen* self = instance;
    if (IS(call_from_thread)) {
        pthread_create(&self->thread, NULL, claim_a_line, self);
        pthread_join(self->thread, NULL);
    }
    if (IS(move_in_start)) { /* its successor will ask for what it had at first */
        self->access->unmap(self->host, self->region);
        self->access->map_ports(self->host, 0x700, 16, 0, &self->region);
    }
    return PLUGBAY_OK;
}

static plugbay_status quiesce(void* instance) {
    struct specimen* self = instance;
    ++self->quiesces;
    if (IS(pend_for_ever)) return PLUGBAY_PENDING;
    if (IS(quiesced_twice)) self->host->quiesced(self->host);
    if (IS(crash_after_quiesces) && self->quiesces == 12) abort();
    return PLUGBAY_OK;
}

static void resume(void* instance) {
    struct specimen* self = instance;
    set_line(self);
}

static void reset(void* instance) {
    struct specimen* self = instance;
    if (IS(crash_in_second_reset) && ++self->resets == 2) abort();
    if (IS(touch_while_quiesced)) {
        uint8_t byte = 0;
        self->memory->read(self->host, 0, &byte, 1);
    }
    memset(registers_of(self), 0, sizeof self->registers);
    self->selected = self->status = self->counted = 0;
    if (IS(forget_reset)) self->registers[2] = 1;
    if (IS(count_back)) self->accesses = 0;
    self->due = 0;
    set_line(self);
    arm(self);
}

static const void* extension(const char* id) {
    static unsigned calls;
    if (strcmp(id, PLUGBAY_ACCESS) == 0)
        return IS(changing_table) && ++calls % 2 == 0 ? &other_access_callbacks : &access_callbacks;
    if (strcmp(id, PLUGBAY_TIMER) == 0) return &timer_callbacks;
    if (strcmp(id, PLUGBAY_STATE) == 0) return &state_callbacks;
    if (strcmp(id, PLUGBAY_STATISTICS) == 0) return &statistics_callbacks;
    return IS(answer_everything) ? &access_callbacks : NULL;
}

/* --- the descriptor --- */

static const struct plugbay_property port_property = {
    .size = sizeof(struct plugbay_property),
    .kind = PLUGBAY_PROPERTY_UNSIGNED,
    .name = "port",
    .help = "first of 16 I/O ports",
    .default_number = 0x5e0,
    .maximum = 0xfff0,
};
static const struct plugbay_property period_property = {
    .size = sizeof(struct plugbay_property),
    .kind = PLUGBAY_PROPERTY_UNSIGNED,
    .name = "period",
    .help = "milliseconds",
    .default_number = 9,
    .minimum = 1,
    .maximum = 60000,
};
static const struct plugbay_property label_property = {
    .size = sizeof(struct plugbay_property),
    .kind = PLUGBAY_PROPERTY_STRING,
    .name = "label",
    .help = "one line of text",
    .default_text = "",
    .maximum = 64,
};
static const struct plugbay_property* const properties[] = {&port_property, &period_property,
                                                            &label_property};

static const struct plugbay_device_type type = {
    .size = sizeof(struct plugbay_device_type),
    .name = "specimen",
    .help = "A device to try a validator on.",
    .state_version = 2,
    .state_version_oldest = 1,
    .property_count = 3,
    .properties = properties,
    .create = create,
    .destroy = destroy,
    .start = start,
    .quiesce = quiesce,
    .resume = resume,
    .reset = reset,
    .extension = extension,
};
static const struct plugbay_device_type* const types[] = {&type};

#ifdef SECOND_EXPORT
__attribute__((visibility("default"))) int helper_of_specimen = 1;
#endif
#ifdef UNIQUE_SYMBOL
__asm__(".type unique_of_specimen, @gnu_unique_object\n.globl unique_of_specimen\n.data\nunique_of_specimen: "
        ".long 1\n"
        ".size unique_of_specimen, 4\n.text\n");
#endif
#ifdef BORROWED_SYMBOL /* of a library that plugbay has and this plugin does not name */
extern void BORROWED_SYMBOL(void);
void (*volatile borrowed)(void) = BORROWED_SYMBOL;
#endif
__attribute__((visibility("default")))
#ifndef WRITABLE_DESCRIPTOR
const
#endif
    struct plugbay_plugin plugbay_plugin_v1 = {
        .magic = PLUGBAY_PLUGIN_MAGIC,
        .size = sizeof(struct plugbay_plugin),
        .abi_major = PLUGBAY_ABI_MAJOR,
        .abi_minor = PLUGBAY_ABI_MINOR,
        .name = "specimen",
        .version = IS(bad_licence) ? "new" : "1.0.0",
        .build_id = "",
        .licence = IS(bad_licence) ? "" : "Apache-2.0",
        .type_count = 1,
        .types = types,
};

#ifdef WRITABLE_DESCRIPTOR
__attribute__((constructor)) static void rename_it(void) {
    plugbay_plugin_v1.version = "1.0.1";
}
#endif
