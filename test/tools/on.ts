/** Runs a program on a runtime: `tsx test/tools/on.ts deno examples/quickstart.ts`. */
import { spawnSync } from "node:child_process"
import { type Runtime, runtimes } from "./runtimes.ts"

const [name = "node", ...program] = process.argv.slice(2)
const runtime = runtimes[name as Runtime["name"]]()
process.exitCode = spawnSync(runtime.command, [...runtime.run, ...program], { stdio: "inherit" }).status ?? 1
