/**
 * Loaded before a service's own modules, it makes the process believe that it runs on a host of its own: then
 * nobody can see that it is gone, and its claims and leases have to lapse.
 */
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";

os.hostname = () => `host-${process.pid}`;
syncBuiltinESMExports();
