CREATE TABLE "recant"."thinned_ranges" (
	"chain_id" bigint NOT NULL,
	"from_block" bigint NOT NULL,
	"to_block" bigint NOT NULL,
	"every" bigint NOT NULL,
	CONSTRAINT "thinned_ranges_chain_id_from_block_pk" PRIMARY KEY("chain_id","from_block")
);
