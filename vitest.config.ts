import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/** Vitest leaves one core to itself, which on two cores is half of them. */
const WORKERS = availableParallelism();
/**
 * Integration tests run real servers beside themselves, and wait a quarter of their time: three files at once keep
 * two cores busy, more only get in each other's way.
 */
const INTEGRATION_WORKERS = 3;
/** A test with several nodes, services and forks takes seconds, on a busy machine ten times that. */
const INTEGRATION_TIMEOUT_MS = 60_000;
/** Two thousand random histories take seconds. */
const PROPERTY_TIMEOUT_MS = 60_000;

export default defineConfig({
	test: {
		pool: "forks",
		maxWorkers: WORKERS,
		projects: [
			{ test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 10_000 } },
			{
				test: {
					name: "property",
					include: ["test/property/**/*.test.ts"],
					testTimeout: PROPERTY_TIMEOUT_MS,
				},
			},
			{
				test: {
					name: "simulation",
					include: ["test/simulation/**/*.test.ts"],
					testTimeout: PROPERTY_TIMEOUT_MS,
				},
			},
			{
				test: {
					name: "integration",
					include: ["test/integration/**/*.test.ts", "test/chaos/**/*.test.ts"],
					globalSetup: ["test/support/global-setup.ts"],
					maxWorkers: INTEGRATION_WORKERS,
					// After the others, which have another number of workers.
					sequence: { groupOrder: 1 },
					testTimeout: INTEGRATION_TIMEOUT_MS,
					hookTimeout: INTEGRATION_TIMEOUT_MS,
				},
			},
		],
	},
});
