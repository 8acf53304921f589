/**
 * A caller's vector at unit length in float32. Cosine similarity does not change by it, and what
 * float32 cannot hold, or a sum of squares of it, does no harm: neither 1e-60 nor 1e30.
 *
 * `vector` holds finite numbers, not all of them zero.
 */
export function unitVector(vector: readonly number[]): Float32Array {
	const largest = vector.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
	// Divided first, so that no square overflows or vanishes.
	const scaled = vector.map((value) => value / largest);
	const length = Math.sqrt(scaled.reduce((sum, value) => sum + value * value, 0));
	return Float32Array.from(scaled, (value) => value / length);
}
