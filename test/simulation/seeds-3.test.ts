import { testSeeds } from "./seed-shard.ts";

testSeeds(3);
