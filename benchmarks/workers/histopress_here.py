"""The command line of histopress where torchvision was built for another torch: timm imports torchvision."""

import torchvision_ops  # noqa: F401

from histopress.cli import main

if __name__ == "__main__":
    main()
