/** What a sabotage is: one protection taken out of the sources, so that the tests of its case have to fail. */

/** A text of a source file, and what stands there instead. */
export interface Edit {
  /** Relative to the repository. */
  readonly file: string
  /** Stands there exactly once. */
  readonly from: string
  readonly to: string
}

/** A protection that is gone. */
export interface Sabotage extends Edit {
  /** The case of `test/assurance/cases.json` that it breaks. */
  readonly id: string
  /** What the code does now, in the third person. */
  readonly title: string
  /** What has to be changed beside that. */
  readonly also?: ReadonlyArray<Edit>
}

/** Every edit of a sabotage. */
export const edits = ({ also = [], file, from, to }: Sabotage): ReadonlyArray<Edit> => [{ file, from, to }, ...also]

/** The files that a sabotage changes, as they are then. Fails where its text is not, or more than once. */
export const applied = (self: Sabotage, read: (file: string) => string): ReadonlyMap<string, string> => {
  const files = new Map<string, string>()
  for (const { file, from, to } of edits(self)) {
    const text = files.get(file) ?? read(file)
    const [before, after, ...more] = text.split(from)
    if (before === undefined || after === undefined || more.length > 0) {
      const times = after === undefined ? "is not" : "is more than once"
      throw new Error(`${self.id} (${self.title}) does not apply any more: its text ${times} in ${file}`)
    }
    files.set(file, before + to + after)
  }
  return files
}
