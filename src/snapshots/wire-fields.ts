/** Fields of manifests and records as JSON has them. */
import * as z from "zod";
import { FOREVER, type Hex } from "../domain/ids.ts";

/** 32 bytes. */
export const hex32 = z
	.string()
	.regex(/^0x[0-9a-f]{64}$/, "must be 0x and 64 hexadecimal digits")
	.transform((text) => text as Hex);

/** A height, generation, position or version id: a whole number that a Postgres bigint holds. */
export const decimal = z
	.string()
	.regex(/^(?:0|[1-9][0-9]{0,18})$/, "must be a whole number in decimal")
	.transform((text) => BigInt(text))
	.refine((value) => value < FOREVER, "is too large");

/** A UUID as Postgres prints it. */
export const uuid = z
	.string()
	.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, "must be a lower-case UUID");
