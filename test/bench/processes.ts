/** Processes for what must not disturb each other: clients, and the servers that they ask. */
import { type ChildProcess, fork } from "node:child_process"
import type { Settings } from "./loopback.ts"

const start = (module: string, input: unknown): ChildProcess =>
  fork(new URL(module, import.meta.url), [JSON.stringify(input)])

/** What the process says first. */
const said = <A>(child: ChildProcess): Promise<A> =>
  new Promise((resolve, reject) => {
    child.once("message", (message) => resolve(message as A))
    child.once("exit", (code) => reject(new Error(`${child.spawnargs.slice(1).join(" ")} ended with ${code}`)))
  })

/** What a process was told: `input` of {@link apart}. It ends with the one that told it. */
export const told = <A>(): A => {
  process.once("disconnect", () => process.exit())
  return JSON.parse(process.argv[2]!)
}

/** Runs a module of this directory in a process of its own: tells it `input`, resolves with the one message that it sends. */
export const apart = <A>(module: string, input: unknown): Promise<A> => said<A>(start(module, input))

/** Runs `work` beside a server in a process of its own, which is given the origin of it. */
export const besideServer = async <A>(settings: Settings, work: (origin: string) => Promise<A>): Promise<A> => {
  const server = start("./server.js", settings)
  try {
    return await work(await said<string>(server))
  } finally {
    server.kill()
  }
}
