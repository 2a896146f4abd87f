"""GANs of images: convolutions, classes, and a discriminator that is an autoencoder."""
