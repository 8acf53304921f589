/** How a node writes the things that more than one kind of answer holds; of either case. */

export const HASH = /^0x[0-9a-f]{64}$/i;
/** 2,048 bits. */
export const BLOOM = /^0x[0-9a-f]{512}$/i;
/** 64 bits; some nodes pad with zeros. */
export const QUANTITY = /^0x[0-9a-f]{1,16}$/i;
