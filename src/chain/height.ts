import type { Height } from "../domain/ids.ts";

export function higher(one: Height, other: Height): Height {
	return one > other ? one : other;
}

export function lower(one: Height, other: Height): Height {
	return one < other ? one : other;
}
