/**
 * Whether the Secret Service of a Linux desktop has an unlocked place for secrets, asked over D-Bus without ever opening a window: to read or to write where it is locked
 * would ask the person for a password.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Node from "./node.ts"
import * as Text from "./text.ts"

/** `absent`: there is no such service here, or it has no place for secrets. `unknown`: it cannot be asked in this way. */
export type State = "unlocked" | "locked" | "absent" | "unknown"

/** Where the session's bus listens; undefined: not at a socket of this machine. */
const socketOf = (address: string): string | undefined => {
  for (const one of address.split(";")) {
    const [, kind, path] = /^unix:(?:.*,)?(path|abstract)=([^,]+)/.exec(one) ?? []
    if (path !== undefined) return (kind === "abstract" ? "\0" : "") + decodeURIComponent(path)
  }
  return undefined
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** Bytes in the form of D-Bus, in which everything begins at a multiple of its size. */
const writing = () => {
  const bytes: Array<number> = []
  const align = (size: number) => {
    while (bytes.length % size !== 0) bytes.push(0)
  }
  const uint32 = (value: number) => {
    align(4)
    bytes.push(value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >>> 24) & 255)
  }
  const string = (value: string) => {
    const encoded = text(value)
    uint32(encoded.length)
    bytes.push(...encoded, 0)
  }
  return { bytes, align, uint32, string }
}

/** A method call with texts as its arguments. */
const call = (serial: number, to: string, path: string, member: string, ...args: ReadonlyArray<string>): Uint8Array => {
  const body = writing()
  for (const arg of args) body.string(arg)
  const dot = member.lastIndexOf(".")
  const fields: ReadonlyArray<readonly [code: number, type: string, value: string]> = [
    [1, "o", path],
    [2, "s", member.slice(0, dot)],
    [3, "s", member.slice(dot + 1)],
    [6, "s", to]
  ]
  const head = writing()
  head.bytes.push(0x6c, 1, 0, 1)
  head.uint32(body.bytes.length)
  head.uint32(serial)
  head.uint32(0)
  const start = head.bytes.length
  for (const [code, type, value] of fields) {
    head.align(8)
    head.bytes.push(code, 1, type.charCodeAt(0), 0)
    head.string(value)
  }
  if (args.length > 0) {
    head.align(8)
    head.bytes.push(8, 1, 0x67, 0, args.length, ...args.map(() => 0x73), 0)
  }
  const length = head.bytes.length - start
  head.bytes.splice(12, 4, length & 255, (length >> 8) & 255, 0, 0)
  head.align(8)
  return Uint8Array.from([...head.bytes, ...body.bytes])
}

/** A message that has arrived: its type, its body, and where the next one begins. */
const parse = (bytes: Uint8Array) => {
  if (bytes.length < 16) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const little = bytes[0] === 0x6c
  const start = (16 + view.getUint32(12, little) + 7) & ~7
  const end = start + view.getUint32(4, little)
  return bytes.length < end ? undefined : { type: bytes[1], body: bytes.subarray(start, end), end }
}

const METHOD_RETURN = 2
const ERROR = 3

/** What the bus says about the collection that new secrets go to. */
const ask = (net: Node.Net, path: string): Effect.Effect<State> =>
  Effect.async<State>((resume) => {
    const socket = net.connect({ path })
    const end = (state: State) => {
      socket.destroy()
      resume(Effect.succeed(state))
    }
    let arrived: Uint8Array = new Uint8Array(0)
    let isLetIn = false
    let replies = 0
    const next = (): void => {
      if (!isLetIn) {
        const line = new TextDecoder().decode(arrived)
        if (!line.includes("\r\n")) return
        arrived = new Uint8Array(0)
        if (line.startsWith("DATA")) return void socket.write(text("DATA\r\n"))
        if (!line.startsWith("OK")) return end("unknown")
        isLetIn = true
        const bus = "org.freedesktop.DBus"
        const secrets = "org.freedesktop.secrets"
        const property = `${bus}.Properties.Get`
        socket.write(text("BEGIN\r\n"))
        socket.write(call(1, bus, "/org/freedesktop/DBus", `${bus}.Hello`))
        const collection = "org.freedesktop.Secret.Collection"
        return void socket.write(
          call(2, secrets, "/org/freedesktop/secrets/aliases/default", property, collection, "Locked")
        )
      }
      for (let message = parse(arrived); message !== undefined; message = parse(arrived)) {
        arrived = arrived.subarray(message.end)
        // Signals come in between.
        if (message.type !== METHOD_RETURN && message.type !== ERROR) continue
        if (++replies < 2) continue
        if (message.type === ERROR) return end("absent")
        // A variant: the signature "b", and a boolean at a multiple of four.
        const { body } = message
        return end(
          body[1] !== 0x62 || body.length < 8
            ? "unknown"
            : body.subarray(4, 8).some((byte) => byte !== 0)
              ? "locked"
              : "unlocked"
        )
      }
    }
    socket.on("connect", () => socket.write(text("\0AUTH EXTERNAL\r\n")))
    socket.on("data", (bytes: Uint8Array) => {
      const all = new Uint8Array(arrived.length + bytes.length)
      all.set(arrived)
      all.set(bytes, arrived.length)
      arrived = all
      next()
    })
    socket.on("error", () => end("absent"))
    socket.on("close", () => end("absent"))
    return Effect.sync(() => socket.destroy())
  })

/** Asks the session's bus, if there is one. It takes as long as the bus does. */
export const state: Effect.Effect<State> = Effect.suspend(() => {
  const address = Node.environment()["DBUS_SESSION_BUS_ADDRESS"]
  if (address === undefined || Text.isBlank(address)) return Effect.succeed<State>("absent")
  const path = socketOf(address)
  if (path === undefined) return Effect.succeed<State>("unknown")
  return Effect.matchEffect(Node.net, {
    onFailure: () => Effect.succeed<State>("unknown"),
    onSuccess: (net) => ask(net, path)
  })
})
