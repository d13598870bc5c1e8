/** Questions to the person at the terminal. */
import { Data, Effect } from "effect"
import { stdin, stdout } from "node:process"
import { createInterface } from "node:readline"
import { Writable } from "node:stream"

/** Nobody can be asked: standard input is a file or a pipe. */
export class NotATerminal extends Data.TaggedError("NotATerminal")<{ readonly message: string }> {}

/** The person said no, or pressed Ctrl+C. */
export class Cancelled extends Data.TaggedError("Cancelled")<{ readonly message: string }> {}

const cancelled = new Cancelled({ message: "nothing was changed" })

/** One line. What is typed is shown, unless it is hidden. */
export const ask = (
  question: string,
  { hidden = false }: { readonly hidden?: boolean } = {}
): Effect.Effect<string, NotATerminal | Cancelled> =>
  Effect.async((resume) => {
    if (!stdin.isTTY) {
      return resume(
        new NotATerminal({
          message: `"${question}" is a question, and nobody is there to answer: run this in a terminal`
        })
      )
    }
    // The editor of the line shows what is typed, not the terminal: hidden, it draws into nothing.
    const screen = new Writable({ write: (_, __, done) => done() })
    const lines = createInterface({ input: stdin, output: hidden ? screen : stdout, terminal: true, prompt: "" })
    lines.once("line", (line) => {
      if (hidden) stdout.write("\n")
      resume(Effect.succeed(line.trim()))
      lines.close()
    })
    // Not before: until now the terminal shows what is typed by itself.
    stdout.write(`${question} `)
    lines.once("close", () =>
      resume(
        Effect.zipRight(
          Effect.sync(() => stdout.write("\n")),
          cancelled
        )
      )
    )
    return Effect.sync(() => lines.close())
  })

/** Goes on only after a yes. */
export const confirm = (question: string): Effect.Effect<void, NotATerminal | Cancelled> =>
  Effect.flatMap(ask(`${question} (y/N)`), (answer) => (/^y(es)?$/i.test(answer) ? Effect.void : cancelled))
