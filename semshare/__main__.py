"""``python -m semshare``, which is what ``accelerate launch -m semshare`` starts."""

from semshare.cli.app import main

if __name__ == "__main__":
    main()
