/** See fault-cases.ts for what is wrong, and fault-suite.ts for what happens meanwhile. */
import { testPhase } from "../support/rpc-server/fault-suite.ts";
import { announcedSeed } from "../support/seed.ts";

testPhase("walk back", announcedSeed("test/integration/rpc-faults-walk-back.test.ts"));
