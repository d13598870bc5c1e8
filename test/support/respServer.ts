/** Something that speaks the protocol of Redis and answers as told: for what a real one says and does only in trouble. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as net from "node:net"

/** What a command is answered with: bytes of the protocol; nothing at all; or the end of the connection. */
export type Reply = `${"+" | "-" | ":" | "$" | "*"}${string}` | "nothing" | "hang up"

export interface RespServer {
  readonly port: number
  /** All commands, but for those that clients greet with. */
  readonly seen: ReadonlyArray<ReadonlyArray<string>>
}

const greetings = new Set(["info", "client", "hello", "auth", "select", "subscribe"])

/** The first whole command in the bytes that have arrived, and where the rest begins. */
const parse = (bytes: Buffer): { readonly command: ReadonlyArray<string>; readonly end: number } | undefined => {
  const line = (from: number) => {
    const end = bytes.indexOf("\r\n", from)
    return end < 0 ? undefined : { text: bytes.toString("utf8", from + 1, end), end: end + 2 }
  }
  const head = line(0)
  if (head === undefined) return undefined
  const command: Array<string> = []
  let at = head.end
  for (let n = 0; n < Number(head.text); n++) {
    const size = line(at)
    if (size === undefined || bytes.length < size.end + Number(size.text) + 2) return undefined
    command.push(bytes.toString("utf8", size.end, size.end + Number(size.text)))
    at = size.end + Number(size.text) + 2
  }
  return { command, end: at }
}

export const start = (
  answer: (command: ReadonlyArray<string>, nth: number) => Reply
): Effect.Effect<RespServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const seen: Array<ReadonlyArray<string>> = []
    const sockets = new Set<net.Socket>()
    const server = net.createServer((socket) => {
      sockets.add(socket)
      let arrived = Buffer.alloc(0)
      socket.on("error", () => {})
      socket.on("close", () => sockets.delete(socket))
      socket.on("data", (bytes) => {
        arrived = Buffer.concat([arrived, bytes])
        for (let next = parse(arrived); next !== undefined; next = parse(arrived)) {
          arrived = arrived.subarray(next.end)
          const [name = ""] = next.command
          if (greetings.has(name.toLowerCase())) {
            const info = "redis_version:7.0.0\r\nloading:0\r\n"
            socket.write(name.toLowerCase() === "info" ? `$${info.length}\r\n${info}\r\n` : "+OK\r\n")
            continue
          }
          seen.push(next.command)
          const reply = answer(next.command, seen.length)
          if (reply === "hang up") socket.destroy()
          else if (reply !== "nothing") socket.write(`${reply}\r\n`)
        }
      })
    })
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.async<void>((resume) => {
          for (const socket of sockets) socket.destroy()
          server.close(() => resume(Effect.void))
        })
    )
    return { port: (server.address() as net.AddressInfo).port, seen }
  })
