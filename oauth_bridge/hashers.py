"""How client secrets are hashed."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class RandomSecretHasher(PBKDF2PasswordHasher):
    """One PBKDF2 round.

    Client secrets are 128 random characters that nobody guesses, so stretching protects nothing;
    with Django's million rounds every anonymous registration would cost seconds of CPU.
    """

    algorithm = "random_secret"
    iterations = 1
