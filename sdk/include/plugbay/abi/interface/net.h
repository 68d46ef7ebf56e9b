/* net/1: Ethernet, asynchronous and batched. Frontends: network cards. Backends: taps, sockets, switches. See
 * link.h for how the tables are reached.
 *
 * "Transmit" is from the guest, "receive" to the guest. Either side offers a batch and the other takes frames
 * from its beginning; one that took fewer than all says when it has room again. A frame taken to be
 * transmitted is completed once, so that its memory may wait to be read; a frame received is copied during
 * the call. What a side cannot do anything with (link down, too long, malformed) it takes and drops, as a
 * wire does. */
#ifndef PLUGBAY_ABI_INTERFACE_NET_H
#define PLUGBAY_ABI_INTERFACE_NET_H

#include "../base.h"
#include "../segment.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_NET "net/1"

/* Bounds of a call. A frame counts from its destination address; it has no frame check sequence. */
#define PLUGBAY_NET_MOST_FRAMES 256u
#define PLUGBAY_NET_MOST_SEGMENTS 64u
#define PLUGBAY_NET_SHORTEST_FRAME 14u   /* bytes: an Ethernet header. Padding to 60 is the frontend's */
#define PLUGBAY_NET_LONGEST_FRAME 65553u /* bytes: the longest IP packet, a header, and a VLAN tag */

/* Work on a frame that is left to the other side, with the members and values of struct virtio_net_hdr
 * (virtio 1.2, section 5.1.6), in the machine's byte order. All zeros: a plain frame. Offsets count from the
 * frame's first byte. Fixed. */
#define PLUGBAY_NET_NEEDS_CHECKSUM                                                                           \
    1u /* flag: to be computed from checksum_start to the end, and stored there */
#define PLUGBAY_NET_CHECKSUM_VALID 2u /* flag, in received frames: checksums have been checked */
#define PLUGBAY_NET_SEGMENT_NONE 0u
#define PLUGBAY_NET_SEGMENT_TCP4 1u
#define PLUGBAY_NET_SEGMENT_TCP6 4u
#define PLUGBAY_NET_SEGMENT_UDP 5u    /* USO: each segment a datagram of its own */
#define PLUGBAY_NET_SEGMENT_ECN 0x80u /* added to a TCP kind: the first segment alone keeps CWR */
struct plugbay_net_offload {
    uint8_t flags;
    uint8_t segmentation;   /* PLUGBAY_NET_SEGMENT_... */
    uint16_t header_length; /* bytes repeated in each segment; a hint, to be checked */
    uint16_t segment_size;  /* bytes of payload in each */
    uint16_t checksum_start;
    uint16_t checksum_offset; /* from checksum_start to the two bytes of the checksum */
};

/* What a side takes besides plain frames. The other sends nothing else. */
#define PLUGBAY_NET_CAN_CHECKSUM 1u /* the following need it */
#define PLUGBAY_NET_CAN_TCP4 2u
#define PLUGBAY_NET_CAN_TCP6 4u
#define PLUGBAY_NET_CAN_ECN 8u
#define PLUGBAY_NET_CAN_UDP 16u

/* The frame's bytes are in guest memory (segment_count > 0), or at `bytes`. Everything is valid during the
 * call, but the guest memory of a frame that is transmitted until its completion. Fixed. */
struct plugbay_net_frame {
    uint64_t tag;    /* transmitted frames: the frontend's name for it, returned in the completion */
    uint32_t length; /* bytes; the segments add up to it */
    uint32_t segment_count;
    const struct plugbay_segment* segments;
    const uint8_t* bytes;
    struct plugbay_net_offload offload;
    uint16_t reserved[3];
};

/* Fixed. `status`: PLUGBAY_OK (it left, or was dropped as a wire would), PLUGBAY_INVALID (not RAM, too long,
 * an offload that makes no sense). */
struct plugbay_net_completion {
    uint64_t tag;
    plugbay_status status;
    uint32_t reserved;
};

#define PLUGBAY_NET_LINK_UP 1u
struct plugbay_net_facts {
    uint32_t size;
    uint32_t flags;    /* PLUGBAY_NET_LINK_UP */
    uint32_t offloads; /* what transmit takes: PLUGBAY_NET_CAN_... */
    uint32_t mtu;      /* bytes after the Ethernet header that the way is known to carry; 0: not known */
};

/* What the frontend's receive takes: depends on what its driver agreed to. */
struct plugbay_net_receiver {
    uint32_t size;
    uint32_t offloads;      /* PLUGBAY_NET_CAN_...; 0 until the frontend says more */
    uint32_t longest_frame; /* bytes, plain or not; 1518 until the frontend says more */
};

/* What a backend implements ("net/1.backend"). */
struct plugbay_net_backend {
    uint32_t size;
    uint32_t reserved;
    /* [device] Fills in what fits into facts->size, which the caller sets. */
    void (*facts)(void* instance, uint64_t port, struct plugbay_net_facts* facts);
    /* [device] From now on. What the backend holds already and is more than that, it drops. */
    void (*configure)(void* instance, uint64_t port, const struct plugbay_net_receiver* receiver);
    /* [device] Returns how many were taken, from the first on. They leave in order; completions may come in
     * any, perhaps before transmit returns. After fewer than `count`, transmit_ready will be called. */
    uint32_t (*transmit)(void* instance, uint64_t port, const struct plugbay_net_frame* frames,
                         uint32_t count);
    /* [device] After a receive that took fewer than offered: the frontend has room again. */
    void (*receive_ready)(void* instance, uint64_t port);
};

/* What a frontend implements ("net/1.frontend"). */
struct plugbay_net_frontend {
    uint32_t size;
    uint32_t reserved;
    /* [device] */
    void (*transmitted)(void* instance, uint64_t port, const struct plugbay_net_completion* completions,
                        uint32_t count);
    /* [device] After a transmit that took fewer than offered: the backend has room again. */
    void (*transmit_ready)(void* instance, uint64_t port);
    /* [device] Returns how many were taken, from the first on; all are copied when it returns. */
    uint32_t (*receive)(void* instance, uint64_t port, const struct plugbay_net_frame* frames,
                        uint32_t count);
    /* [device] The backend's facts changed: the link went up or down. */
    void (*changed)(void* instance, uint64_t port);
};

#ifdef __cplusplus
}
#endif

#endif
