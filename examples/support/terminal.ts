/** What a program tells whoever watches it: lines that stay, and below them one that shows the present. */
import { type Layer, Logger } from "effect"

const isTerminal = process.stdout.isTTY === true
const clearLine = isTerminal ? "\r\x1b[K" : ""
const started = performance.now()
let shownAt = started

/** Milliseconds as `12.3 s`. */
export const seconds = (millis: number): string => `${(millis / 1000).toFixed(1)} s`

const moment = (): string => seconds(performance.now() - started).padStart(8)

/** A line that stays. */
export const say = (line = ""): void => {
  process.stdout.write(`${clearLine}${line}\n`)
}

/** A line that stays, about something that happened now. */
export const tell = (what: string, details: string): void => say(`${moment()}  ${what.padEnd(9)}${details}`)

/** The line at the bottom, written over and over; where that is impossible, a line every five seconds. */
export const progress = (details: string): void => {
  const line = `${moment()}  ${details}`
  if (isTerminal) process.stdout.write(clearLine + line)
  else if (performance.now() - shownAt >= 5_000) {
    shownAt = performance.now()
    say(line)
  }
}

/** Names and values in two columns. */
export const summary = (rows: Readonly<Record<string, string | number>>): void => {
  say()
  for (const [name, value] of Object.entries(rows)) say(`${name.padEnd(16)}${String(value).padStart(8)}`)
}

/** What the program's log says becomes lines like all others. */
export const logger: Layer.Layer<never> = Logger.replace(
  Logger.defaultLogger,
  Logger.make(({ logLevel, message }) => tell(logLevel.label.toLowerCase(), [message].flat().join(" ")))
)
