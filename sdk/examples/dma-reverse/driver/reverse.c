// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* Linux driver of dma-reverse: what one write to /dev/reverse writes is read from it in reverse.
 *
 *     insmod reverse.ko [intx=1]
 */
#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/uaccess.h>

#define REVERSE_ID 0x31564552
#define REVERSE_MOST (1u << 20)
#define REVERSE_SECONDS 60 /* far more than it takes where processors are emulated */

enum { ID = 0x00, DESCRIPTOR = 0x08, DOORBELL = 0x10, CAUSE = 0x14 };
enum { DONE = 1, FAULT = 2 };

static bool intx;
module_param(intx, bool, 0444);
MODULE_PARM_DESC(intx, "use the interrupt pin and not MSI-X");

struct reverse_descriptor {
    __le64 source;
    __le64 target;
    __le32 length;
    __le32 status;
};

struct reverse {
    struct pci_dev* pci;
    void __iomem* registers;
    struct miscdevice node;
    struct completion interrupted;
    struct mutex lock; /* of what follows */
    struct reverse_descriptor* descriptor;
    u8* source;
    u8* target;
    dma_addr_t descriptor_address, source_address, target_address;
    size_t length; /* in target */
};

static irqreturn_t reverse_interrupt(int irq, void* data) {
    struct reverse* self = data;

    if (!self->pci->msix_enabled && readl(self->registers + CAUSE) == 0) return IRQ_NONE;
    complete(&self->interrupted);
    return IRQ_HANDLED;
}

static struct reverse* reverse_of(struct file* file) {
    return container_of(file->private_data, struct reverse, node);
}

/* Called with the lock. */
static int reverse_run(struct reverse* self, size_t length) {
    struct reverse_descriptor* descriptor = self->descriptor;

    descriptor->source = cpu_to_le64(self->source_address);
    descriptor->target = cpu_to_le64(self->target_address);
    descriptor->length = cpu_to_le32(length);
    descriptor->status = 0;
    reinit_completion(&self->interrupted);
    writeq(self->descriptor_address, self->registers + DESCRIPTOR);
    writel(1, self->registers + DOORBELL);
    if (!wait_for_completion_timeout(&self->interrupted, REVERSE_SECONDS * HZ)) return -ETIMEDOUT;
    return le32_to_cpu(READ_ONCE(descriptor->status)) == DONE ? 0 : -EIO;
}

static ssize_t reverse_write(struct file* file, const char __user* bytes, size_t length, loff_t* position) {
    struct reverse* self = reverse_of(file);
    int error;

    if (length == 0 || length > REVERSE_MOST) return -EINVAL;
    error = mutex_lock_interruptible(&self->lock);
    if (error) return error;
    self->length = 0;
    if (copy_from_user(self->source, bytes, length))
        error = -EFAULT;
    else
        error = reverse_run(self, length);
    if (!error) self->length = length;
    mutex_unlock(&self->lock);
    return error ? error : length;
}

static ssize_t reverse_read(struct file* file, char __user* bytes, size_t length, loff_t* position) {
    struct reverse* self = reverse_of(file);
    ssize_t result = mutex_lock_interruptible(&self->lock);

    if (result) return result;
    result = simple_read_from_buffer(bytes, length, position, self->target, self->length);
    mutex_unlock(&self->lock);
    return result;
}

static const struct file_operations reverse_operations = {
    .owner = THIS_MODULE,
    .read = reverse_read,
    .write = reverse_write,
};

static int reverse_interrupts(struct reverse* self) {
    struct pci_dev* pci = self->pci;
    int count = intx ? pci_alloc_irq_vectors(pci, 1, 1, PCI_IRQ_LEGACY)
                     : pci_alloc_irq_vectors(pci, 2, 2, PCI_IRQ_MSIX);
    int i, error;

    if (count < 0) return count;
    for (i = 0; i < count; ++i) {
        error = devm_request_irq(&pci->dev, pci_irq_vector(pci, i), reverse_interrupt, IRQF_SHARED, "reverse",
                                 self);
        if (error) return error;
    }
    return 0;
}

static int reverse_probe(struct pci_dev* pci, const struct pci_device_id* id) {
    struct device* device = &pci->dev;
    struct reverse* self = devm_kzalloc(device, sizeof(*self), GFP_KERNEL);
    int error;

    if (!self) return -ENOMEM;
    self->pci = pci;
    mutex_init(&self->lock);
    init_completion(&self->interrupted);
    error = pcim_enable_device(pci);
    if (!error) error = pcim_iomap_regions(pci, BIT(0), "reverse");
    if (!error) error = dma_set_mask_and_coherent(device, DMA_BIT_MASK(64));
    if (error) return error;
    self->registers = pcim_iomap_table(pci)[0];
    if (readl(self->registers + ID) != REVERSE_ID) return -ENODEV;
    pci_set_master(pci);
    self->descriptor =
        dmam_alloc_coherent(device, sizeof(*self->descriptor), &self->descriptor_address, GFP_KERNEL);
    self->source = dmam_alloc_coherent(device, REVERSE_MOST, &self->source_address, GFP_KERNEL);
    self->target = dmam_alloc_coherent(device, REVERSE_MOST, &self->target_address, GFP_KERNEL);
    if (!self->descriptor || !self->source || !self->target) return -ENOMEM;
    error = reverse_interrupts(self);
    if (error) return error;

    self->node.minor = MISC_DYNAMIC_MINOR;
    self->node.name = "reverse";
    self->node.fops = &reverse_operations;
    self->node.parent = device;
    pci_set_drvdata(pci, self);
    return misc_register(&self->node);
}

static void reverse_remove(struct pci_dev* pci) {
    struct reverse* self = pci_get_drvdata(pci);

    misc_deregister(&self->node);
}

static const struct pci_device_id reverse_ids[] = {{PCI_DEVICE(0x1234, 0x7276)}, {}};
MODULE_DEVICE_TABLE(pci, reverse_ids);

static struct pci_driver reverse_driver = {
    .name = "reverse",
    .id_table = reverse_ids,
    .probe = reverse_probe,
    .remove = reverse_remove,
};
module_pci_driver(reverse_driver);

MODULE_DESCRIPTION("Reverses bytes by DMA");
MODULE_LICENSE("GPL");
