/**
 * Who lives: a process listens on a socket, and whoever connects to it learns from the system when that process has let go or is gone, whatever
 * ended it. A process that is merely stopped lives: the system takes connections for it. No clock and no process number is asked.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import { errnoOf, type Errno } from "./disk.ts"
import * as Node from "./node.ts"

/** A socket that this process listens on. Neither it nor who is connected to it keeps the program from ending. */
export interface Lifeline {
  /** Lets go: whoever is connected learns of it. */
  readonly close: Effect.Effect<void>
}

/** A connection to somebody who lives. */
export interface Watch {
  /** When the other has let go, or is gone, or has too many watching. */
  readonly ended: Effect.Effect<void>
  readonly close: Effect.Effect<void>
}

/**
 * What connecting tells: `refused`, nobody listens, or on some systems and runtimes (macOS, Bun) too many are queueing; `missing`, there is no such socket;
 * `unclear`, nothing.
 */
export type Answer = Watch | "refused" | "missing" | "unclear"

/** As many may watch at a time; the others have to come back. Each takes a descriptor of the one who is watched. */
const mostWatching = 16

/** As many as the system allows: only a stopped process lets them queue. */
const queue = 65_535

const net = Effect.mapError(Node.net, (): Errno => "ENOSYS")

/** Listens; whatever is there already is `EADDRINUSE`. The path must be one that the system can take as it is. */
export const listen = (path: string): Effect.Effect<Lifeline, Errno> =>
  Effect.suspend(() => {
    const denoListen = Node.denoListen()
    return denoListen === undefined ? listenOnNode(path) : listenOnDeno(() => denoListen(path))
  }).pipe(Effect.uninterruptible)

const listenOnNode = (path: string): Effect.Effect<Lifeline, Errno> =>
  Effect.flatMap(net, (net) =>
    Effect.async<Lifeline, Errno>((resume) => {
      const watching = new Set<Node.Socket>()
      let isClosed = false
      try {
        const server = net.createServer({ allowHalfOpen: false }, (socket) => {
          socket.on("error", () => {})
          socket.on("close", () => watching.delete(socket))
          // The end is noticed by reading.
          socket.on("data", () => {})
          if (isClosed || watching.size >= mostWatching) return void socket.destroy()
          watching.add(socket)
          socket.unref()
        })
        const listening = () => {
          server.unref()
          resume(
            Effect.succeed({
              close: Effect.sync(() => {
                isClosed = true
                server.close()
                for (const socket of watching) socket.destroy()
              })
            })
          )
        }
        server.on("error", (error) => resume(Effect.fail(errnoOf(error))))
        server.listen({ path, exclusive: true, backlog: queue })
        // At once, where the runtime does not only say so later.
        if (server.listening) listening()
        else server.on("listening", listening)
      } catch (error) {
        resume(Effect.fail(errnoOf(error)))
      }
    })
  )

const listenOnDeno = (open: () => Node.DenoListener): Effect.Effect<Lifeline, Errno> =>
  Effect.map(Effect.try({ try: open, catch: errnoOf }), (listener) => {
    const watching = new Set<Node.DenoConnection>()
    let isClosed = false
    const end = (connection: Node.DenoConnection) => {
      if (watching.delete(connection)) connection.close()
    }
    const accept = (): void => {
      listener.accept().then(
        (connection) => {
          watching.add(connection)
          if (isClosed || watching.size > mostWatching) end(connection)
          else {
            connection.unref()
            // Nobody says anything: reading ends when the other has gone.
            connection.read(new Uint8Array(1)).then(
              () => end(connection),
              () => end(connection)
            )
          }
          if (!isClosed) accept()
        },
        // Closed, or too many files open: who is not accepted learns of the end as well.
        () => {}
      )
    }
    accept()
    listener.unref()
    return {
      close: Effect.sync(() => {
        isClosed = true
        listener.close()
        for (const connection of watching) end(connection)
      })
    }
  })

/** Asks whether somebody lives. The system answers, at once. Fails if it may not be asked. */
export const watch = (path: string): Effect.Effect<Answer, Errno> =>
  Effect.flatMap(net, (net) =>
    Effect.async<Answer, Errno>((resume) => {
      try {
        const socket = net.connect({ path })
        let isClosed = false
        let tell = () => {}
        socket.on("error", (error) => {
          const errno = errnoOf(error)
          resume(
            errno === "EACCES" || errno === "EPERM"
              ? Effect.fail(errno)
              : Effect.succeed(errno === "ECONNREFUSED" ? "refused" : errno === "ENOENT" ? "missing" : "unclear")
          )
        })
        socket.on("close", () => {
          isClosed = true
          tell()
          resume(Effect.succeed("unclear"))
        })
        // The end is noticed by reading.
        socket.on("data", () => {})
        socket.on("connect", () => {
          socket.unref()
          resume(
            Effect.succeed({
              ended: Effect.async<void>((resume) => {
                tell = () => resume(Effect.void)
                if (isClosed) tell()
              }),
              close: Effect.sync(() => socket.destroy())
            })
          )
        })
      } catch (error) {
        resume(Effect.fail(errnoOf(error)))
      }
    })
  ).pipe(Effect.uninterruptible)
