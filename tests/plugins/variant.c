/* A small, complete plugin in plain C. Each member that a test wants to be wrong is a macro with a right default;
 * CMakeLists.txt builds one shared object for each set of macros. */
#include <plugbay/abi/plugin.h>
#include <plugbay/abi/registers.h>

#include <stddef.h>

#define TEN_TIMES(text) text text text text text text text text text text
#define THOUSAND_TIMES(text) TEN_TIMES(TEN_TIMES_AGAIN(TEN_TIMES_MORE(text)))
#define TEN_TIMES_AGAIN(text) text text text text text text text text text text
#define TEN_TIMES_MORE(text) text text text text text text text text text text

#ifndef MAGIC
#define MAGIC PLUGBAY_PLUGIN_MAGIC
#endif
#ifndef PLUGIN_SIZE
#define PLUGIN_SIZE sizeof(struct plugbay_plugin)
#endif
#ifndef MAJOR
#define MAJOR PLUGBAY_ABI_MAJOR
#endif
#ifndef MINOR
#define MINOR PLUGBAY_ABI_MINOR
#endif
#ifndef PLUGIN_NAME
#define PLUGIN_NAME "good"
#endif
#ifndef TYPE_SIZE
#define TYPE_SIZE sizeof(struct plugbay_device_type)
#endif
#ifndef TYPE_NAME
#define TYPE_NAME "good-device"
#endif
#ifndef TYPE_COUNT
#define TYPE_COUNT 1
#endif
#ifndef TYPES
#define TYPES types
#endif
#ifndef CREATE
#define CREATE create
#endif
#ifndef PROPERTY_SIZE
#define PROPERTY_SIZE sizeof(struct plugbay_property)
#endif
#ifndef PROPERTY_KIND
#define PROPERTY_KIND PLUGBAY_PROPERTY_UNSIGNED
#endif
#ifndef PROPERTY_NAME
#define PROPERTY_NAME "port"
#endif
#ifndef PROPERTY_HELP
#define PROPERTY_HELP "The first port."
#endif
#ifndef PROPERTY_DEFAULT
#define PROPERTY_DEFAULT 0x3f8
#endif
#ifndef PROPERTY_MINIMUM
#define PROPERTY_MINIMUM 1
#endif
#ifndef PROPERTY_COUNT
#define PROPERTY_COUNT 3
#endif
#ifndef CHOICE_COUNT
#define CHOICE_COUNT 2
#endif
#ifndef SECOND_NAME
#define SECOND_NAME "mode"
#endif
#ifndef INTERFACE
#define INTERFACE "char/1"
#endif
#ifndef DECLARATION_COUNT
#define DECLARATION_COUNT 2
#endif
#ifndef REGISTERS_SIZE
#define REGISTERS_SIZE sizeof(struct plugbay_registers)
#endif
#ifndef REGISTER_NAME
#define REGISTER_NAME "CONTROL"
#endif
#ifndef REGISTER_COUNT
#define REGISTER_COUNT 2
#endif
#ifndef REGISTER_WIDTH
#define REGISTER_WIDTH 2
#endif
#ifndef REGISTER_ACCESS
#define REGISTER_ACCESS PLUGBAY_REGISTER_READ_WRITE
#endif
#ifndef FIELD_BITS
#define FIELD_BITS 2
#endif
#ifndef BLOCK_LENGTH
#define BLOCK_LENGTH 0x20
#endif
#ifndef OTHER_DECLARATION
#define OTHER_DECLARATION "com.example.laser/1"
#endif
#ifndef SYMBOL
#define SYMBOL plugbay_plugin_v1
#endif

#ifdef UNDEFINED_SYMBOL
void plugbay_host_private_function(void* instance);
#endif

__attribute__((unused)) static plugbay_status create(const struct plugbay_host* host,
                                                     const struct plugbay_value* values, uint32_t value_count,
                                                     void** instance) {
    (void)host;
    (void)values;
    (void)value_count;
    *instance = NULL;
    return PLUGBAY_OK;
}

static void ignore(void* instance) {
#ifdef UNDEFINED_SYMBOL
    plugbay_host_private_function(instance);
#else
    (void)instance;
#endif
}

static const void* extension(const char* id) {
    (void)id;
    return NULL;
}

static const char* const choices[] = {"slow", "fast"};

static const struct plugbay_property port = {
    .size = PROPERTY_SIZE,
    .kind = PROPERTY_KIND,
    .name = PROPERTY_NAME,
    .help = PROPERTY_HELP,
    .default_number = PROPERTY_DEFAULT,
    .minimum = PROPERTY_MINIMUM,
    .maximum = 0xffff,
};
static const struct plugbay_property mode = {
    .size = sizeof(struct plugbay_property),
    .kind = PLUGBAY_PROPERTY_CHOICE,
    .choice_count = CHOICE_COUNT,
    .name = SECOND_NAME,
    .help = "How fast.",
    .default_number = 1,
    .choices = choices,
};
static const struct plugbay_property file = {
    .size = sizeof(struct plugbay_property),
    .kind = PLUGBAY_PROPERTY_PATH,
    .name = "file",
    .help = "Where to write.",
    .default_text = "out.log",
    .maximum = 4095,
};
static const struct plugbay_property* const properties[] = {&port, &mode, &file};

static const struct plugbay_property blocking = {
    .size = sizeof(struct plugbay_property),
    .kind = PLUGBAY_PROPERTY_BOOLEAN,
    .name = "blocking",
    .help = "Wait for the far end.",
};
static const struct plugbay_property* const options[] = {&blocking};
static const struct plugbay_port chars = {
    .size = sizeof(struct plugbay_port),
    .role = PLUGBAY_PORT_FRONTEND,
    .flags = PLUGBAY_PORT_OPTIONAL,
    .option_count = 1,
    .interface = INTERFACE,
    .options = options,
};
static const struct plugbay_port* const ports[] = {&chars};

static const struct plugbay_register_value speeds[] = {{0, "slow"}, {2, "fast"}};
static const struct plugbay_register_field control_fields[] = {
    {.bit_count = 1, .access = PLUGBAY_REGISTER_READ_WRITE, .name = "ENABLE", .help = "Runs."},
    {.first_bit = 4,
     .bit_count = FIELD_BITS,
     .access = PLUGBAY_REGISTER_READ_WRITE,
     .value_count = 2,
     .name = "SPEED",
     .help = "",
     .values = speeds},
};
#ifdef CHANGES_REGISTERS
static struct plugbay_register registers[] = {
#else
static const struct plugbay_register registers[] = {
#endif
    {.offset = 0,
     .stride = 2,
     .width = REGISTER_WIDTH,
     .count = 1,
     .access = REGISTER_ACCESS,
     .reset = 1,
     .writable = 0x31,
     .name = REGISTER_NAME,
     .help = "What it does.",
     .state = "control",
     .field_count = 2,
     .fields = control_fields},
    {.offset = 8,
     .stride = 8,
     .width = 4,
     .count = 3,
     .access = PLUGBAY_REGISTER_WRITE_1_TO_CLEAR,
     .flags = PLUGBAY_REGISTER_COMPUTED,
     .writable = 0xff,
     .name = "STATUS",
     .help = "",
     .when = "CONTROL.ENABLE=1"},
};
static const struct plugbay_register_block block = {
    .size = sizeof(struct plugbay_register_block),
    .token = 7,
    .length = BLOCK_LENGTH,
    .name = "",
    .register_count = REGISTER_COUNT,
    .registers = registers,
};
static const struct plugbay_register_block* const blocks[] = {&block};
static const struct plugbay_registers register_map = {
    .size = REGISTERS_SIZE, .block_count = 1, .blocks = blocks};
static const struct plugbay_declaration declarations[] = {
    {.id = PLUGBAY_REGISTERS, .data = &register_map},
    {.id = OTHER_DECLARATION, .data = &port},
};

#ifdef VISIBLE_TYPE
extern const struct plugbay_device_type device_type;
__attribute__((visibility("default")))
#else
static
#endif
const struct plugbay_device_type device_type = {
    .size = TYPE_SIZE,
    .name = TYPE_NAME,
    .help = "A device for tests.",
    .state_version = 2,
    .state_version_oldest = 1,
    .property_count = PROPERTY_COUNT,
    .port_count = 1,
    .properties = properties,
    .ports = ports,
    .create = CREATE,
    .destroy = ignore,
    .reset = ignore,
    .extension = extension,
    .declaration_count = DECLARATION_COUNT,
    .declarations = declarations,
};
#ifdef SECOND_TYPE
static const struct plugbay_device_type second_type = {
    .size = sizeof(struct plugbay_device_type),
    .name = SECOND_TYPE,
    .help = "Another one.",
    .create = create,
    .destroy = ignore,
    .reset = ignore,
    .extension = extension,
};
static const struct plugbay_device_type* const types[] = {&device_type, &second_type};
#else
static const struct plugbay_device_type* const types[] __attribute__((unused)) = {&device_type};
#endif

#ifdef EXTRA_EXPORT
__attribute__((visibility("default"))) int extra_export = 1;
#endif

#ifdef UNIQUE_SYMBOL
/* Only what is looked up pins. */
__asm__(".pushsection .data\n"
        ".globl unique_symbol\n"
        ".type unique_symbol, @gnu_unique_object\n"
        ".size unique_symbol, 4\n"
        "unique_symbol: .long 0\n"
        ".popsection");
extern __attribute__((visibility("default"))) int unique_symbol;
__attribute__((constructor)) static void look_up(void) {
    *(volatile int*)&unique_symbol = 1;
}
#endif

#ifdef THREAD_LOCAL
/* What a thread_local object with a destructor comes down to. */
extern int __cxa_thread_atexit_impl(void (*destructor)(void*), void* object, void* library);
extern __attribute__((visibility("hidden"))) void* __dso_handle;
static void destroy(void* object) {
    (void)object;
}
__attribute__((constructor)) static void use(void) {
    __cxa_thread_atexit_impl(destroy, NULL, &__dso_handle);
}
#endif

#ifdef CHANGES_WHEN_LOADED
#define CONSTANT
#else
#define CONSTANT const
#endif
extern CONSTANT struct plugbay_plugin SYMBOL;
__attribute__((visibility("default"))) CONSTANT struct plugbay_plugin SYMBOL = {
    .magic = MAGIC,
    .size = PLUGIN_SIZE,
    .abi_major = MAJOR,
    .abi_minor = MINOR,
    .name = PLUGIN_NAME,
    .version = "1.2.3",
    .build_id = "b1",
    .licence = "MIT",
    .type_count = TYPE_COUNT,
    .types = TYPES,
};

#ifdef CHANGES_WHEN_LOADED
__attribute__((constructor)) static void change(void) {
    /* volatile: or the compiler does it at compile time */
    *(const char* volatile*)&SYMBOL.name = "changed";
}
#endif

#ifdef CHANGES_REGISTERS
__attribute__((constructor)) static void change(void) {
    *(volatile uint64_t*)&registers[1].offset = 12;
}
#endif
