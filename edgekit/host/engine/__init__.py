"""Models become engines: compiled here or on a builder device, verified against the float model, and cached.

The way of one engine, and what it is in turn:

    ModelSource      what it is made from: the model, prepared and perhaps cut in two, the recipe's words, pictures
      Compilation    how one backend makes it, with its cache key; `making.make_engine` walks the steps. A PlannedEngine
                     holds both, and whether a builder device is needed
        DeviceJob    what a builder device is sent for it ...
        BuildRequest ... of which this is the part that its compiler reads there, and BuildAnswer its reply
      CompiledEngine what a compiler left: neither checked nor recorded yet
    EngineRecord     how it was made and how well it agrees: `engine.json` beside it
    CachedEngine     where it lies in the cache, with its record
    Engine           what a build takes from here: the file, its EngineEntry for the manifest, what it answered
    EnginePlan       how a worker on the device loads it (host/release/plan.py makes it of the entry)

Wherever it is compiled, the steps are the same: find it in the cache; else prove what can be proven beforehand,
compile, check that the outcome is what was wanted, compare its answers with the float model's, record. Whether they
agree well enough is judged each time, for a tolerance may change without a new engine.

Rooms, each of which may use those below it:

    compile.py       a recipe's models, one after the other
    inspection/      files of strangers, read and tried in a child with limits
    backends/        one file per accelerator, and what those share that need a builder device
    bench.py         what engines are made with
    making.py        the way of one engine
    builder/ rknn/   a builder device, asked over SSH; RKNN's toolkit in a Python environment of its own
    files/           what engine files say of themselves
    store.py         the cache
    verify/          do two models answer alike, and what helps where they do not
    model/           ONNX graphs: read, prepared, quantised, cut, run
    pictures/        files of pictures, read

`source.py`, `record.py` and `engine.py` hold the data that goes from one to the next.
"""
