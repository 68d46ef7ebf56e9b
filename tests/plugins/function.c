/* Exports the right name, but as a function. */
extern int plugbay_plugin_v1(void);
__attribute__((visibility("default"))) int plugbay_plugin_v1(void) {
    return 1;
}
