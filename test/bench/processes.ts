/** Processes for what must not disturb each other: clients, and the servers that they ask. */
import { type ChildProcess, fork } from "node:child_process"
import type { Settings } from "./loopback.ts"

const start = (module: string, input: unknown): ChildProcess =>
  fork(new URL(module, import.meta.url), [JSON.stringify(input)])

/** What the process says next. */
const said = <A>(child: ChildProcess): Promise<A> =>
  new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`${child.spawnargs.slice(1).join(" ")} ended with ${code}`))
    child.once("exit", ended)
    child.once("message", (message) => {
      child.off("exit", ended)
      resolve(message as A)
    })
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

/** A process that answers questions, one at a time, until this one ends. */
export type Answering<Q, A> = (question: Q) => Promise<A>

/** Runs a module of this directory in processes of their own, tells each `input`, and waits until they are {@link answering}. */
export const company = async <Q, A>(
  module: string,
  input: unknown,
  size: number
): Promise<ReadonlyArray<Answering<Q, A>>> => {
  const children = Array.from({ length: size }, () => start(module, input))
  await Promise.all(children.map((child) => said(child)))
  return children.map((child) => (question) => {
    const answer = said<A>(child)
    child.send(question as object)
    return answer
  })
}

/** In such a process: how it answers. */
export const answering = <Q, A>(answer: (question: Q) => Promise<A>): void => {
  process.on("message", (question) => void answer(question as Q).then((answer) => process.send!(answer)))
  process.send!("ready")
}
