/** One row an event, with what the other side keeps of it. */
import { onchainTable } from "ponder";

export const transfer = onchainTable("transfer", (t) => ({
	id: t.text().primaryKey(),
	token: t.hex().notNull(),
	from: t.hex().notNull(),
	to: t.hex().notNull(),
	value: t.bigint().notNull(),
	blockNumber: t.bigint().notNull(),
	blockHash: t.hex().notNull(),
	logIndex: t.integer().notNull(),
}));
